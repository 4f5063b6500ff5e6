"""Scene world of the miniature: entities, arrangements, captions, drawn images, and why its prompts fail.

A scene shows two entities in one of eight arrangements before one of five backgrounds: an animal and an object
(functional), an animal and a pattern of objects (compositional), or two animals (multi_subject), as in InterActing.

Two kinds of noise in the captions that the image model learns from build failures in (`noise`):

* Neglect: the second entity is missing from most images if it is one of NEGLECTED, and from few otherwise; the first
  is missing from few.
* Slip: the entities stand in another arrangement of the same scenario.

A sentence that names an entity ("There is a guitar.") is always true of its image, and so is its position ("There is
a guitar on the right."). A prompt that says more therefore gets more, which the study's method relies on. How much more
is a property of this world: its numbers say nothing about the paper.
"""
