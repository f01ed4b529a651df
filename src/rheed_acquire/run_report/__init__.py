"""What is kept of a run, ``report.html`` and ``report.json``, and how runs are found and read again."""
