"""The Lightning module of the regressor: a training step, its optimiser and validation."""

from __future__ import annotations

import math
import time
from typing import Any

import lightning as L
import numpy as np
import torch
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from ..config import RegressorConfig
from ..network import BoneAgeNet, normalise
from .dataset import Batch
from .distil import Teacher


class RegressorTask(L.LightningModule):
    """Loss, optimiser, learning rate, averaged weights and validation of a BoneAgeNet.

    Validation predicts with the averaged weights, which are kept, in float32. All that resuming needs is in the
    module's own state or stored by `on_save_checkpoint`: randomness is drawn anew from (seed, epoch, batch) for every
    batch, so that a run can go on within an epoch.
    """

    def __init__(
        self,
        net: BoneAgeNet,
        config: RegressorConfig,
        label_mean: float,
        label_sd: float,
        steps_per_epoch: int,
        teacher: Teacher | None = None,
    ) -> None:
        super().__init__()
        self.net, self.config = net, config
        self.label_mean, self.label_sd, self.steps_per_epoch = label_mean, label_sd, steps_per_epoch
        self.averaged = AveragedModel(net, avg_fn=self._average, use_buffers=True) if config.ema else None
        if self.averaged is not None:
            self.averaged.requires_grad_(False)  # nothing flows back into it, which DDP must know
        self.teacher = teacher
        self.plateau: torch.optim.lr_scheduler.ReduceLROnPlateau | None = None
        self._seconds_before, self._started = 0.0, time.monotonic()
        self._val_mae = math.nan  # months, of the last epoch that was validated
        self.began = False  # whether what a run goes on from has been taken over

    @property
    def seconds_spent(self) -> float:
        """Time this training took so far, over all its resumed parts."""
        return self._seconds_before + time.monotonic() - self._started

    @property
    def kept(self) -> BoneAgeNet:
        """The net that is validated and kept."""
        return self.averaged.module if self.averaged is not None else self.net  # pyright: ignore[reportReturnType]

    def training_step(self, batch: Batch, _: int) -> torch.Tensor:
        """Loss of one batch; logs the training MAE in months."""
        crops, sexes, months = batch
        inputs, labels = normalise(crops), (months - self.label_mean) / self.label_sd
        stage = self.config.stage_at(self.current_epoch)
        if stage.mixup:
            inputs, labels = self._mixed(inputs, sexes, labels, stage.mixup)
        teaching = self.config.teacher
        if self.teacher is not None and teaching is not None and self.current_epoch < teaching.until_epoch:
            readings, maps = self.net.with_features(inputs, sexes)
            features, output = self.teacher(inputs, sexes, maps, readings)
            loss = self._loss(readings, labels) + teaching.features * features + teaching.output * output
        else:
            readings = self.net(inputs, sexes)
            loss = self._loss(readings, labels)
        mae = F.l1_loss(readings.detach(), labels) * self.label_sd
        self.log("train_mae", mae, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(labels), sync_dist=True)
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        """Log the validation MAE in months."""
        crops, sexes, months = batch
        with torch.autocast(crops.device.type, enabled=False):  # half precision would round readings to 0.2 months
            readings = self.kept(normalise(crops), sexes) * self.label_sd + self.label_mean
        mae = F.l1_loss(readings, months)
        self.log("val_mae", mae, on_epoch=True, prog_bar=True, batch_size=len(months), sync_dist=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam or AdamW; biases and normalisation are not decayed."""
        trained = [(name, p) for name, p in self.named_parameters() if p.requires_grad]
        groups = [
            {"params": [p for _, p in trained if p.ndim > 1], "weight_decay": self.config.weight_decay},
            {"params": [p for _, p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        kind = torch.optim.AdamW if self.config.optimiser == "adamw" else torch.optim.Adam
        optimiser = kind(groups, lr=self.config.learning_rate)
        if self.config.schedule == "plateau":
            self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
                optimiser,
                factor=self.config.plateau_factor,
                patience=self.config.plateau_patience,
                min_lr=self.config.plateau_floor,
            )
        return optimiser

    def on_train_epoch_start(self) -> None:
        """Set the stage's regularisation."""
        stage = self.config.stage_at(self.current_epoch)
        self.net.set_regularisation(stage.dropout, stage.drop_path)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Draw the batch's randomness from (seed, epoch, batch, process), and set its learning rate.

        The rate warms up, then falls as a cosine; the plateau schedule acts once an epoch instead.
        """
        drawn_from = (self.config.seed, self.current_epoch, batch_idx, self.global_rank)
        torch.manual_seed(int(np.random.SeedSequence(drawn_from).generate_state(1)[0]))
        step, warmup = self.global_step, self.config.warmup
        rate = self.config.learning_rate
        if step < warmup:
            rate *= (step + 1) / warmup
        elif self.config.schedule == "cosine":
            total = max(self.steps_per_epoch * self.config.epochs - warmup, 1)
            rate *= 0.5 * (1 + math.cos(math.pi * min((step - warmup) / total, 1.0)))
        else:
            return
        optimiser: Any = self.optimizers()
        for group in optimiser.param_groups:
            group["lr"] = rate

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, then update the averaged weights, so that a checkpoint after a batch has both."""
        super().optimizer_step(*args, **kwargs)
        if self.averaged is not None:
            self.averaged.update_parameters(self.net)

    def on_validation_epoch_end(self) -> None:
        """Keep the validation MAE and step the plateau schedule, before the checkpoint is written."""
        self._val_mae = float(self.trainer.callback_metrics["val_mae"])
        if self.plateau is not None:
            self.plateau.step(self._val_mae)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store time spent, validation MAE in months and the plateau schedule beside what Lightning stores."""
        checkpoint["seconds"] = self.seconds_spent
        checkpoint["val_mae"] = self._val_mae
        if self.plateau is not None:
            checkpoint["plateau"] = self.plateau.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over the time spent, and remember the stored plateau schedule until the optimiser exists."""
        self._seconds_before = float(checkpoint.get("seconds", 0.0))
        self._val_mae = float(checkpoint.get("val_mae", math.nan))
        self._stored_plateau = checkpoint.get("plateau")

    def on_train_start(self) -> None:
        """Start the clock, and give regularisation and plateau schedule their state where a run goes on."""
        self._started, self.began = time.monotonic(), True
        self.on_train_epoch_start()  # Lightning leaves it out where an epoch goes on
        stored = getattr(self, "_stored_plateau", None)
        if self.plateau is not None and stored is not None:
            self.plateau.load_state_dict(stored)

    def _loss(self, readings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if self.config.loss == "mse":
            return F.mse_loss(readings, labels)
        if self.config.loss == "smooth_l1":  # quadratic within 3 months
            return F.smooth_l1_loss(readings, labels, beta=3.0 / self.label_sd)
        return F.l1_loss(readings, labels)

    def _average(self, kept: torch.Tensor, new: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
        """Exponential average whose decay warms up: (1 + t) / (10 + t) until it reaches the configured one."""
        t = float(count)
        return kept + (new - kept) * (1 - min(self.config.ema, (1 + t) / (10 + t)))

    @staticmethod
    def _mixed(
        inputs: torch.Tensor, sexes: torch.Tensor, labels: torch.Tensor, alpha: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mixup within one sex: each film with another of its sex, pictures and labels by the same share."""
        partner = torch.arange(len(labels), device=labels.device)
        for sex in sexes.unique():
            of_sex = torch.nonzero(sexes == sex)[:, 0]
            partner[of_sex] = of_sex[torch.randperm(len(of_sex), device=of_sex.device)]
        share = torch.distributions.Beta(alpha, alpha).sample((len(labels),)).to(labels)
        plane = share.view(-1, 1, 1, 1)
        return plane * inputs + (1 - plane) * inputs[partner], share * labels + (1 - share) * labels[partner]
