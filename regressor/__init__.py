"""Reading the age: from a crop and the child's sex to bone age in months."""
