"""Finding the hand: from a radiograph to its mask, box, crop and a word on quality."""
