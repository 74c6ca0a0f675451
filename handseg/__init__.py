"""Find the hand: from a radiograph to its mask, its box, its crop and a verdict on its quality."""
