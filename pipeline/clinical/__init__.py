"""What a reading means for a child: SDS against the reference, adult height."""
