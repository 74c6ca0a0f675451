"""The service `boneage serve`: readings by HTTP, and a page for them; everything in memory, nothing on disk."""
