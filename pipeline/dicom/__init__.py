"""One film's reading as DICOM objects: structured report, secondary capture and segmentation."""
