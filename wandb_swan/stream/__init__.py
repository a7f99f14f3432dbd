"""What happened in a run, from any source: wandb's protobuf records become events, partial history becomes rows."""
