"""One film's reading as a page: radiograph, figures, chart and heat map, in HTML and PDF, in three languages."""
