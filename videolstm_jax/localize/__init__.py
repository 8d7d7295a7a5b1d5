"""From attention to boxes to tubes (Sec. 4), with numpy and scipy only: JAX is never started."""
