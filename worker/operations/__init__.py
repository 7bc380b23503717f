"""What an operator sees and does: health, status, metrics, dead letters and the doctor."""
