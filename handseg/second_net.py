"""The second net of a segmenter: what a film shows, judged by an encoder that learned ImageNet's pictures.

Features that learned to find hands and features that learned to tell a thousand other things apart err on different
pictures. It is asked only where the segmenter's own head is unsure.
"""

from __future__ import annotations

from typing import Any

import torch
from segmentation_models_pytorch.encoders import get_encoder
from torch import nn

from .content_head import ContentHead

ENCODER = "tf_efficientnet_lite0"  # of timm; one whose ImageNet weights a package carries


class SecondNet(nn.Module):
    """Probabilities of what a film shows, the mean over the film and its mirror image.

    `forward(squares, hands)`: letterboxed films, uint8 (n, s, s); the probability of hand over each, float32 (n, s, s).
    Returns float32 (n, CONTENTS).
    """

    def __init__(self, hidden: int) -> None:
        """`hidden`: units of the head, between the evidence and the logits."""
        super().__init__()
        self.encoder: Any = get_encoder(f"tu-{ENCODER}", in_channels=1, weights=None)
        self.head = ContentHead(self.encoder.out_channels[-1:], hidden)

    def forward(self, squares: torch.Tensor, hands: torch.Tensor) -> torch.Tensor:
        """See the class."""
        films = squares.shape[0]
        twice = torch.cat([squares, squares.flip(-1)])[:, None].float() / 127.5 - 1
        evidence = self.evidence(twice, torch.cat([hands, hands.flip(-1)])[:, None])
        probabilities = torch.softmax(self.head.judge(evidence), 1)
        return (probabilities[:films] + probabilities[films:]) / 2

    def evidence(self, films: torch.Tensor, hands: torch.Tensor) -> torch.Tensor:
        """What the head judges by, n x numbers; float32 (n, 1, s, s): films from -1 to 1, and probabilities of hand."""
        return ContentHead.evidence(self.encoder(films.contiguous(memory_format=torch.channels_last))[-1:], hands)
