"""Many films: rows that are streamed and resumed, and the growth of children with several films."""
