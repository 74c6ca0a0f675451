"""Reading films, one or many: a bundle, batches in threads, tables that resume, and the files about each film."""
