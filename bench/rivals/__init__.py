"""What else does Floorline's work: two floors, a short script by hand, dlt and Sling."""
