"""The GraphQL answers about artifacts, and what a client changes of them."""

from __future__ import annotations

import json

from werkzeug.exceptions import abort

from .wandb_runs import CloudArtifact, Node, stamp, token
from .wandb_state import State


class Artifacts(State):
    """Artifacts as nodes; those of their project are made by `Answers`."""

    def _artifact(self, artifact: CloudArtifact | None) -> Node | None:
        if artifact is None:
            return None
        contents = artifact.manifest.get("contents", {})
        latest = [a for a in self.artifacts.values() if self._same(a, artifact) and a.state == "COMMITTED"]
        collection = {
            **{"__typename": "ArtifactSequence", "id": token("Collection", artifact.name), "name": artifact.name},
            "project": lambda: self._project(artifact.project, artifact.entity),
            "latestArtifact": {"id": latest[-1].id} if latest else None,
        }
        kind = {
            **{"id": token("ArtifactType", artifact.project, artifact.type), "name": artifact.type},
            "project": lambda: self._project(artifact.project, artifact.entity),
        }
        aliases = [
            {
                **{"__typename": "ArtifactAlias", "id": token("Alias", one), "alias": one},
                **{"artifactCollectionName": artifact.name, "artifactCollection": collection},
            }
            for one in (*artifact.aliases, f"v{artifact.version}")  # clients to 0.16 want the version's own among them
        ]
        return {
            **{"__typename": "Artifact", "id": artifact.id, "state": artifact.state, "digest": artifact.digest},
            **{"versionIndex": artifact.version, "artifactType": kind, "aliases": aliases},
            **{
                "artifactSequence": collection,
                "description": artifact.description,
                "metadata": artifact.metadata,
                "labels": None,
            },
            **{"ttlDurationSeconds": -2, "ttlIsInherited": True, "tags": [], "historyStep": artifact.step},
            **{"commitHash": artifact.digest[:20], "fileCount": len(contents), "updatedAt": None},
            **{"size": sum(entry.get("size", 0) for entry in contents.values()), "digestAlgorithm": "MANIFEST_MD5"},
            **{"createdAt": stamp(artifact.created), "storageBytes": 0},
            "currentManifest": {
                "id": artifact.id,
                "file": {"directUrl": self._signed("artifacts", artifact.id, "m")},
            },
        }

    def _membership(self, artifact: CloudArtifact | None) -> Node | None:
        node = self._artifact(artifact)
        if artifact is None or node is None:
            return None
        known = {key: node[key] for key in ("versionIndex", "createdAt", "aliases")}
        return {
            **{"__typename": "ArtifactCollectionMembership", "id": token("Membership", artifact.id), **known},
            **{"artifact": node, "artifactCollection": node["artifactSequence"]},
        }

    def _createArtifact(self, input: Node) -> Node:
        entity, project = input.get("entityName") or self.entity, input["projectName"]
        name = input.get("artifactCollectionName") or input["artifactCollectionNames"][0]  # the latter before the core
        run = self.runs.get((entity, project, input.get("runName") or ""))
        here = [a for a in self.artifacts.values() if (a.entity, a.project, a.name) == (entity, project, name)]
        made = next((a for a in here if a.digest == input["digest"] and a.state == "COMMITTED"), None)
        if made is None:
            self.add_project(project, entity)
            made = CloudArtifact(
                token("Artifact", next(self._numbers)), entity, project, input["artifactTypeName"], name, len(here),
                input["digest"], aliases=[one["alias"] for one in input.get("aliases") or []],
                metadata=input.get("metadata"), description=input.get("description"),
                client_id=input.get("clientID") or "", step=input.get("historyStep"),
            )  # fmt: skip
            self.artifacts[made.id] = made
        if run is not None and made not in run.logged:
            run.logged.append(made)
        return {"artifact": self._artifact(made)}

    def _createArtifactManifest(self, input: Node) -> Node:
        place = input.get("artifactID") or input["artifactManifestID"]
        return {"artifactManifest": {"id": place, "file": self._upload("wandb_manifest.json", place, "m")}}

    def _createArtifactFiles(self, input: Node) -> Node:
        def node(spec: Node) -> Node:
            uploaded = self._upload(spec["name"], spec["artifactID"], "files", spec["name"])
            return {**uploaded, "artifact": {"id": spec["artifactID"]}}

        return {"files": {"edges": [{"node": node(spec)} for spec in input["artifactFiles"]]}}

    def _upload(self, name: str, *place: str) -> Node:
        url = self._signed("artifacts", *place)
        known = {"id": token("File", *place), "name": name, "displayName": name, "storagePath": name}
        return {**known, "uploadUrl": url, "uploadHeaders": [], "uploadMultipartUrls": None}

    def _commitArtifact(self, input: Node) -> Node:
        artifact = self.artifacts[input["artifactID"]]
        artifact.manifest = json.loads(self.stored.get(f"artifacts/{artifact.id}/m", b"{}"))
        self._commit(artifact)
        return {"artifact": self._artifact(artifact)}

    def _updateArtifact(self, input: Node) -> Node:
        return {"artifact": self._artifact(self.artifacts.get(input["artifactID"]))}

    def _useArtifact(self, input: Node) -> Node:
        artifact = self.artifacts.get(input["artifactID"]) or abort(404, "no such artifact")
        run = self.runs.get((input["entityName"], input["projectName"], input["runName"])) or abort(404, "no such run")
        if artifact not in run.used:
            run.used.append(artifact)
        return {"artifact": self._artifact(artifact)}
