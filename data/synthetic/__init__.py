"""Draw a synthetic hand radiograph, with its exact mask, whose ossification follows a bone age and a sex.

The hand is built in palm lengths (the distance from the wrist to the middle finger's metacarpophalangeal joint), with
the wrist at the origin, x towards the thumb and y towards the fingers. Bones are closed outlines; each adds the path
length of X-rays through a cortical shell and a medullary core to the path through soft tissue, so that overlaps add up
as they do on film. Joints lie at the medians of the 568 annotated hands of the RSNA Pediatric Bone Age Challenge 2017;
the shapes of bones are drawn by eye.

The pictures are for tests, demonstrations and for teaching a net what a hand's outline is. They are no atlas.
"""

from .hand import SyntheticHand as SyntheticHand
from .hand import synthetic_hand as synthetic_hand
