"""Pictures of frames with attention, boxes, titles and scores, and pictures as bytes."""
