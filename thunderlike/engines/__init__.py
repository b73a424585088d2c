"""Who runs it: one small contract, and the engines that fulfil it."""
