"""One film's reading as resources of HL7 FHIR R4."""
