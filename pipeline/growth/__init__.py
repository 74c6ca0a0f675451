"""Growth of bone age: the films of one child against the child's age."""
