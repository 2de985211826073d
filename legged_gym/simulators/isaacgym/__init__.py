"""What only Isaac Gym needs: its process, and what runs in there."""
