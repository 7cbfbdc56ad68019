"""Lists as ``meta.k8s.io/v1 Table``, with the columns that kubectl prints.

Source: kubernetes, pkg/printers/internalversion/printers.go, pkg/printers/tablegenerator.go;
staging/src/k8s.io/apiserver/pkg/registry/rest/table.go (the columns of kinds without a printer).
"""
