"""Growth of bone age: the films of one child set against the child's age."""
