# A veneer over ./dev, for fingers that type make. `make` alone prints the help.
.DEFAULT_GOAL := help
.PHONY: help demo test quick lint fix docs setup clean

help: ; @./dev --help
demo: ; @./dev demo
test: ; @./dev test
quick: ; @./dev test --engine local
lint: ; @./dev lint
fix: ; @./dev lint --fix
docs: ; @./dev docs
setup: ; @./dev setup
clean: ; @./dev clean
