"""Training, evaluation, leak check and promotion as the commands share them."""
