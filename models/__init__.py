"""Everything about models: the example's data and training, cards, and checks."""
