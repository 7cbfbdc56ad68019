"""How runc or crun, conmon, skopeo and umoci are asked.

Holds: OCI bundles, root file systems, volumes, images, command lines and what they answer.
Does not hold: decisions about pods, waiting.
May import: nodeguard.model, nodeguard.kernel, nodeguard.errors.
"""
