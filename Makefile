# Aliases of ./dev commands. `make` without a target prints the help.
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
