"""What a notebook needs: checks, predictions, questions, figures, widgets, and the reader's own record."""
