"""A folder of films: how many a second on one core and on all, beside decoder and nets alone; and what more films cost.

Each run is a process of its own, `python -m benchmarks.folder`, which reads as `boneage predict FOLDER` does.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from boneage.pipeline.predict.parallel import cores

from .clock import Sample, in_turns, seconds
from .films import SEX, decode, folder_of
from .machine import peak_memory
from .report import Bar, Findings, Table, short
from .setting import Setting

ROUNDS = 3
FILMS, ON_ONE = 48, 16  # for films a second on all cores and on one
COUNTS = (1, 10, 100, 1000)
DECODER = "decoder, all cores"
ROOT = Path(__file__).parents[1]

OF_SLOWER = 0.9  # of the slower of decoder and nets, each on all cores
NO_DROP = 0.97  # of the films a second at 100 that 1,000 must reach; the rest is noise
FLAT = 1.05  # of the memory at 100 that 1,000 may take


def measure(setting: Setting) -> Findings:
    """Films a second for every bundle with the engine chosen by itself, and the bundle fast at growing numbers."""
    from boneage.weights.bundle import shipped_bundles

    speed, bars = _throughput(setting, shipped_bundles())
    growth, more = _growth(setting, "fast")
    return Findings([speed, growth], [*bars, *more])


def _throughput(setting: Setting, bundles: Sequence[str]) -> tuple[Table, list[Bar]]:
    films = {used: 16 if setting.quick else FILMS if used > 1 else ON_ONE for used in (1, cores())}
    folders = {used: folder_of(setting.films, films[used], setting.folder / f"on-{used}") for used in films}
    everything = folders[cores()]
    measures = {DECODER: lambda: films[cores()] / seconds(lambda: _decode_all(everything, cores()))}
    for bundle in bundles:
        measures[_nets(bundle)] = functools.partial(_nets_rate, bundle, setting.films)
        for used, folder in folders.items():
            measures[_on(bundle, used)] = functools.partial(rate_of, folder, bundle, used)
    measured = in_turns(measures, setting.rounds(ROUNDS), warm_ups=0)
    samples = {name: Sample(tuple(values)) for name, values in measured.items()}
    shares, bars = {}, []
    for bundle in bundles:
        ours = _on(bundle, cores())
        ourselves, decoder, nets = (samples[name].median for name in (ours, DECODER, _nets(bundle)))
        share, of_both = ourselves / min(decoder, nets), ourselves * (1 / decoder + 1 / nets)
        shares[ours] = (f"{share:.0%}", f"{of_both:.0%}")
        asked = f"folder, {bundle}: at least {OF_SLOWER:.0%} of the slower of decoder and nets, each on all cores"
        bars.append(Bar(asked, f"{share:.0%} ({of_both:.0%} of what both allow on the same cores)", share >= OF_SLOWER))
    rows = [(name, sample, shares.get(name, ("", ""))) for name, sample in samples.items()]
    note = (
        "The last column is against decoder and nets that share the cores, which is the most there can be: "
        "1 / (1 / decoder + 1 / nets)."
    )
    return Table(f"a folder of {films[cores()]} films", "films/s", rows, ("of the slower", "of both"), note), bars


def _growth(setting: Setting, bundle: str) -> tuple[Table, list[Bar]]:
    counts = COUNTS[:2] if setting.quick else COUNTS
    folders = {count: folder_of(setting.films, count, setting.folder / f"films-{count}") for count in counts}
    runs: dict[int, list[dict[str, float]]] = {count: [] for count in counts}
    for turn in range(setting.rounds(ROUNDS)):
        for count in counts:
            if count < counts[-1] or turn == 1:  # the largest number once, between the others
                runs[count].append(_read(folders[count], bundle, cores()))
    rates = {count: _of(runs[count], "films_a_second") for count in counts}
    memory = {count: _of(runs[count], "peak_mb") for count in counts}
    rows = [
        (f"{count:,}", rates[count], (short(_of(runs[count], "seconds").median), short(memory[count].median)))
        for count in counts
    ]
    note = "Warm: one film is read before the first; seconds are of the whole process, from start to end."
    table = Table(f"cost against number of films, {bundle}", "films/s", rows, ("whole, s", "peak memory, MB"), note)
    few, many = counts[-2:]
    drop, growth = rates[many].over(rates[few]), memory[many].over(memory[few])
    return table, [
        Bar(f"folder: no drop from {few:,} to {many:,} films (at least {NO_DROP})", f"{drop:.2f} x", drop >= NO_DROP),
        Bar(f"folder: memory flat from {few:,} to {many:,} films (at most {FLAT})", f"{growth:.2f} x", growth <= FLAT),
    ]


def _of(runs: Sequence[Mapping[str, float]], name: str) -> Sample:
    return Sample(tuple(run[name] for run in runs))


def _nets(bundle: str) -> str:
    return f"{bundle}, nets, all cores"


def _on(bundle: str, used: int) -> str:
    return f"{bundle}, {'1 core' if used == 1 else 'all cores'}"


def rate_of(folder: Path, bundle: str, used: int) -> float:
    """Films a second of a process that reads a folder on so many cores."""
    return _read(folder, bundle, used)["films_a_second"]


def _decode_all(folder: Path, workers: int) -> None:
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(decode, sorted(folder.iterdir())))


@functools.cache
def _batch_of_calls(bundle: str, films: Sequence[Path]) -> tuple[int, Sequence[Callable[[], object]]]:
    """How many films a folder's nets see together, and the nets' calls that these make."""
    from boneage.pipeline.predict.bone_age import BATCH

    from .subjects import net_calls, usual

    calls = net_calls(usual(bundle).load(), [films[k % len(films)] for k in range(BATCH)])
    return BATCH, [*calls["segmenter"], *calls["regressor"]]


def _nets_rate(bundle: str, films: Sequence[Path]) -> float:
    """Films a second of both nets alone: one batch on all cores, or a batch for each core, whichever is faster."""
    import torch

    from .subjects import make

    (films_together, calls), threads, batches = _batch_of_calls(bundle, films), torch.get_num_threads(), cores()
    make(calls)
    rates = []
    for callers in dict.fromkeys((1, cores())):
        torch.set_num_threads(max(threads // callers, 1))
        with ThreadPoolExecutor(callers) as pool:
            taken = seconds(lambda pool=pool: list(pool.map(lambda _: make(calls), range(batches))))
        rates.append(films_together * batches / taken)
    torch.set_num_threads(threads)
    return max(rates)


def _read(folder: Path, bundle: str, used: int) -> dict[str, float]:
    """Read a folder in a process of its own, on so many cores."""
    command = [sys.executable, "-m", "benchmarks.folder", folder, bundle, str(used)]
    start = time.perf_counter()
    # the number of threads for those libraries that count the machine's cores, not the process's
    environment = os.environ | {"OMP_NUM_THREADS": str(used)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"reading {folder} with {bundle} failed: {done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1]) | {"seconds": time.perf_counter() - start}


def _read_here(folder: Path, bundle: str, used: int) -> dict[str, float]:
    """Read a folder as the command does, on the first `used` cores, which are set before torch counts them."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:used])
    from boneage.pipeline.predict.bone_age import BoneAge
    from boneage.pipeline.predict.cohort import predict_cohort

    bone_age = BoneAge.load(bundle, "cpu")
    bone_age.predict(next(folder.iterdir()), SEX)
    start = time.perf_counter()
    tally = predict_cohort(bone_age, folder, SEX)
    taken = time.perf_counter() - start
    if tally.exit_code:
        raise RuntimeError(f"{folder}: not every film was assessed")
    return {"films_a_second": tally.films / taken, "peak_mb": peak_memory()}


if __name__ == "__main__":
    print(json.dumps(_read_here(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
