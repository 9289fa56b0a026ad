"""Tasks while their workers, brokers and stores are killed: none is lost, and none answers twice."""
