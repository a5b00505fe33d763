"""The core that was released with the paper, as far as it was measured: preset paper2024."""
