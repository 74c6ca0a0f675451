"""Distillation: a student imitates the feature maps and the predictions of a trained regressor."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from ...weights.weights_file import load_net
from ..network import FEATURE_STRIDES, BoneAgeNet, build_from


class Teacher(nn.Module):
    """A frozen teacher with the student's 1 x 1 projections onto its feature maps.

    Imitating the maps at every stride is what lets an EfficientNetV2 without pretrained weights start within an epoch
    (FitNets, Romero et al. 2015). Teacher and student must share the label mean and SD.
    """

    def __init__(self, net: BoneAgeNet, student: BoneAgeNet, size: int = 64) -> None:
        """`size`: of a trial picture by which the widths of the maps are found."""
        super().__init__()
        self.net = net.eval().requires_grad_(False)
        self.net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        training = student.training
        student.eval()  # the trial must not move its batch statistics
        with torch.no_grad():
            trial = torch.zeros(2, 1, size, size), torch.zeros(2)
            shown, imitated = net.with_features(*trial)[1], student.with_features(*trial)[1]
        student.train(training)
        self.projections = nn.ModuleList(
            nn.Conv2d(student_map.shape[1], teacher_map.shape[1], 1)
            for student_map, teacher_map in zip(imitated, shown, strict=True)
        )

    @classmethod
    def load(cls, path: str | Path, student: BoneAgeNet) -> tuple[Teacher, float, float]:
        """From a weights file; also returns the label mean and SD (months) that the student must take over."""
        header, net = load_net(path, "regressor", build_from)
        assert header.label_mean is not None
        assert header.label_sd is not None
        return cls(net, student), header.label_mean, header.label_sd

    def train(self, mode: bool = True) -> Teacher:
        """The projections may train; the teacher itself stays in evaluation mode."""
        super().train(mode)
        self.net.eval()
        return self

    def forward(
        self, inputs: torch.Tensor, sexes: torch.Tensor, maps: list[torch.Tensor], readings: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Distance of `maps` (MSE over the teacher's mean square, mean over strides) and of `readings` (L1)."""
        with torch.no_grad():
            target, shown = self.net.with_features(inputs, sexes)
        features = sum(
            F.mse_loss(project(ours), theirs) / theirs.square().mean().clamp(min=1e-6)
            for project, ours, theirs in zip(self.projections, maps, shown, strict=True)
        )
        return features / len(FEATURE_STRIDES), F.l1_loss(readings, target)  # pyright: ignore[reportReturnType]
