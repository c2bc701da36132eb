"""report: a finished job's steps become one JSON file and one page.

In:   the folder of a job whose steps are done. Out: report.json, the numbers; report.html, numbers and pictures.
Must not know: how anything was trained. Nothing here measures again what a step has measured.

The same steps give the same bytes: neither file tells of times, machines or places on a disk.
"""

from models.job.report.writing import JSON_NAME, PAGE_NAME, write_report

__all__ = ["JSON_NAME", "PAGE_NAME", "write_report"]
