"""What every other part needs: errors, rotations, console, paths, seeds. It imports nothing else of the package."""
