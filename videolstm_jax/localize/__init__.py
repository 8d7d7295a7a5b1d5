"""From attention to boxes to tubes (Sec. 4): numpy and scipy in, tubes out, JAX never started."""
