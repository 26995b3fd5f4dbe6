# One line each; the work is in `cargo xtask`.

# List the recipes
default:
    @just --list

# Everything that CI checks
test *args:
    cargo xtask test {{args}}

# From the source to an issued invoice on one screen
demo *args:
    cargo xtask demo {{args}}

# A throw-away PostgreSQL for the tests, until Ctrl-C
postgres:
    cargo xtask postgres

# Build the guests of the tests and the first-party addons
guests:
    cargo xtask guests

# The cost of a call, beside its peers
bench *args:
    cargo xtask bench {{args}}

# Format the workspace and every guest
fmt:
    cargo xtask fmt

# Rewrite wit/FROZEN for versions that are not published yet
freeze *args:
    cargo xtask freeze {{args}}

# Search on in one fuzz target, guided by coverage
fuzz *args:
    cargo xtask fuzz {{args}}
