"""Training, evaluation, leak check and promotion workflows shared by the commands."""
