"""A DICOM node: films come in by C-STORE, results go on as DICOM, and what is under way lies in a spool on disk."""
