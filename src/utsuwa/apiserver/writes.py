"""create, update, patch, delete: what a client sends, through admission, into the cluster.

Patches and updates are decided inside the cluster's one atomic step, so nobody's write lies
between the object that admission saw and the one that it replaces.
"""

from collections.abc import Callable

from utsuwa.apiserver import apply, core_rules, escalation, incoming
from utsuwa.apiserver.bodies import document, parse
from utsuwa.apiserver.calls import Call, Outcome
from utsuwa.apiserver.defaults import defaulted
from utsuwa.apiserver.patches import applied_body, is_apply, patch_of
from utsuwa.apiserver.ports import Admission, Authorizer, Backend, Review
from utsuwa.apiserver.reads import Reads
from utsuwa.apiserver.scale import scale_of, scaled
from utsuwa.apiserver.schemas import typed, unknown
from utsuwa.apiserver.status import MethodNotAllowedError, bad_request, success
from utsuwa.apiserver.views import Claims
from utsuwa.cluster.errors import (
    AlreadyExistsError,
    Cause,
    ForbiddenError,
    NotFoundError,
)
from utsuwa.cluster.port import DeleteOptions, Key, Preconditions, Propagation
from utsuwa.kit.clock import Clock, rfc3339
from utsuwa.kit.documents import Document, dig
from utsuwa.model.kinds import NAMESPACE

_LASTING = frozenset({"default", "kube-system", "kube-public", "knative-serving"})
"""Namespaces that the cluster cannot do without."""

_RETRIES = 5


class Writes:
    """Carries writes through admission into the cluster."""

    def __init__(
        self,
        cluster: Backend,
        reads: Reads,
        admission: Admission,
        clock: Clock,
        authorizer: Authorizer,
    ) -> None:
        self._cluster = cluster
        self._reads = reads
        self._admission = admission
        self._clock = clock
        self._authorizer = authorizer
        self._claims = Claims(cluster, authorizer)

    async def create(self, call: Call) -> Outcome:
        """POST: a new object. 201."""
        if call.target.kind.namespaced and not call.target.namespace:
            raise MethodNotAllowedError(
                f"{call.target.kind.resource} are created in a namespace: POST to its own path"
            )
        body = parse(call.body, call.content_type, duplicates=_looks_twice(call))
        sent = incoming.newborn(incoming.identified(call.target, document(body.value)))
        warnings = self._fields(call, sent, body.duplicates)
        return await self._create(call, sent, warnings)

    async def update(self, call: Call) -> Outcome:
        """PUT: the object replaced. 200."""
        body = parse(call.body, call.content_type, duplicates=_looks_twice(call))
        if call.target.subresource == "scale":
            return await self._rescale(call, lambda _: document(body.value))
        sent = incoming.identified(call.target, document(body.value))
        warnings = self._fields(call, sent, body.duplicates)
        return await self._change(call, lambda _: sent, warnings, keeps_managers=True)

    async def patch(self, call: Call) -> Outcome:
        """PATCH in any of its four kinds. 200, or 201 when apply created the object."""
        if is_apply(call.content_type):
            return await self._apply(call)
        patch = patch_of(call.target.kind, call.content_type, call.body)
        if call.target.subresource == "scale":
            return await self._rescale(call, patch)
        warnings: list[str] = []

        def change(old: Document) -> Document:
            new = incoming.identified(call.target, patch(old))
            already = set(unknown(call.target.kind, old))
            added = [path for path in unknown(call.target.kind, new) if path not in already]
            warnings.extend(incoming.field_validation(call, added, ()))
            return new

        outcome = await self._change(call, change, ())
        return Outcome(outcome.document, outcome.code, (*warnings, *outcome.warnings))

    async def delete(self, call: Call) -> Outcome:
        """DELETE of one object: a `Status` when it is gone, the object while it lingers."""
        options = self._delete_options(call)
        kind, key = call.target.kind, call.target.key
        old = await self._cluster.get(kind, key)
        self._admit_delete(call, old, options)
        left = await self._cluster.delete(kind, key, options)
        if left is None:
            return Outcome(success(kind, key.name, old["metadata"]["uid"]))
        return Outcome(call.shape.one(left, self._clock.now()))

    async def delete_collection(self, call: Call) -> Outcome:
        """DELETE of everything that the selectors select. Answers what was there."""
        options = self._delete_options(call)
        items, version = await self._reads.select(call)
        for item in items:
            self._admit_delete(call, item, options)
            metadata = item["metadata"]
            key = Key(metadata.get("namespace", ""), metadata["name"])
            try:
                await self._cluster.delete(call.target.kind, key, options)
            except NotFoundError:
                continue  # somebody else was faster
        metadata = {"resourceVersion": str(version)}
        return Outcome(call.shape.many(items, metadata, self._clock.now()))

    async def _create(self, call: Call, sent: Document, warnings: tuple[str, ...]) -> Outcome:
        kind = call.target.kind
        if "status" in kind.subresources:
            sent = {key: value for key, value in sent.items() if key != "status"}
        sent = apply.with_readable_owners(sent, None)
        admitted, more = self._admit(call, "CREATE", sent, None)
        if not call.dry_run:
            await self._claims.take(call.user, admitted)
        made = await self._cluster.create(admitted, dry_run=call.dry_run)
        shaped = call.shape.one(made, self._clock.now())
        return Outcome(shaped, 201, (*warnings, *more))

    async def _change(
        self,
        call: Call,
        function: Callable[[Document], Document],
        warnings: tuple[str, ...],
        *,
        keeps_managers: bool = False,
    ) -> Outcome:
        """Replace the object by `function` of it, through admission, in one step."""
        kind, sub = call.target.kind, call.target.subresource
        told: list[str] = []

        def decide(old: Document) -> Document:
            new = apply.with_readable_owners(_complete(call, old, function(old)), old)
            if keeps_managers and "managedFields" not in new["metadata"]:
                new = _with_managers_of(old, new)
            admitted, more = self._admit(call, "UPDATE", new, old)
            told.extend(more)
            now = rfc3339(self._clock.now())
            return apply.recorded(
                kind, old, admitted, manager=call.manager, time=now, subresource=sub
            )

        changed = await self._cluster.transform(
            kind, call.target.key, decide, subresource=sub, dry_run=call.dry_run
        )
        shaped = call.shape.one(changed, self._clock.now())
        return Outcome(shaped, 200, (*warnings, *told))

    async def _apply(self, call: Call) -> Outcome:
        body = applied_body(call.body)
        if not call.query.get("fieldManager"):
            raise bad_request("PatchOptions.meta.k8s.io: fieldManager: is required for apply patch")
        sent = incoming.identified(call.target, document(body.value))
        if sent["metadata"].get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        warnings = self._fields(call, sent, body.duplicates)
        for _ in range(_RETRIES):
            try:
                return await self._apply_once(call, sent, warnings)
            except AlreadyExistsError:
                continue  # somebody made it meanwhile: then this is a change
        return await self._apply_once(call, sent, warnings)

    async def _apply_once(self, call: Call, sent: Document, warnings: tuple[str, ...]) -> Outcome:
        kind, sub = call.target.kind, call.target.subresource
        clean = _intended(call, sent)
        intent = apply.Intent(
            kind, clean, call.manager, rfc3339(self._clock.now()), call.flag("force"), sub
        )
        told: list[str] = []

        def decide(old: Document) -> Document:
            new = apply.applied(intent, old)
            if sent["metadata"].get("resourceVersion"):
                new["metadata"]["resourceVersion"] = sent["metadata"]["resourceVersion"]
            admitted, more = self._admit(call, "UPDATE", new, old)
            told.extend(more)
            return admitted

        try:
            changed = await self._cluster.transform(
                kind, call.target.key, decide, subresource=sub, dry_run=call.dry_run
            )
        except NotFoundError:
            if sub:
                raise
            return await self._create(call, apply.created(intent), warnings)
        shaped = call.shape.one(changed, self._clock.now())
        return Outcome(shaped, 200, (*warnings, *told))

    async def _rescale(self, call: Call, function: Callable[[Document], Document]) -> Outcome:
        """Change the replicas through the Scale that `function` answers."""
        kind = call.target.kind

        def decide(old: Document) -> Document:
            scale = function(scale_of(old))
            new = scaled(old, scale)
            version = dig(scale, "metadata", "resourceVersion")
            if version:
                new = {**new, "metadata": {**new["metadata"], "resourceVersion": version}}
            admitted, _ = self._admit(call, "UPDATE", new, old)
            return admitted

        changed = await self._cluster.transform(kind, call.target.key, decide, dry_run=call.dry_run)
        return Outcome(scale_of(changed))

    def _fields(self, call: Call, sent: Document, duplicates: tuple[str, ...]) -> tuple[str, ...]:
        return incoming.field_validation(call, unknown(call.target.kind, sent), duplicates)

    def _admit(
        self, call: Call, operation: str, new: Document, old: Document | None
    ) -> tuple[Document, tuple[str, ...]]:
        """The object as it may be stored, and warnings. Raises what refuses it."""
        kind, sub = call.target.kind, call.target.subresource
        core_rules.check(kind, new, sub)
        new = typed(kind, new)
        if sub != "status":
            incoming.check_labels(kind, new)
            new = defaulted(kind, new, old)
            new = escalation.admitted(kind, new, old, call.user, self._authorizer)
        return self._admission(Review(kind, operation, new, old, call.user, sub, call.dry_run))

    def _admit_delete(self, call: Call, old: Document, options: DeleteOptions) -> None:
        kind, name = call.target.kind, old["metadata"]["name"]
        if kind is NAMESPACE and name in _LASTING:
            message = f'namespaces "{name}" is forbidden: this namespace may not be deleted'
            raise ForbiddenError(message, name=name, kind=kind.plural, causes=(Cause(message),))
        self._admission(Review(kind, "DELETE", old, old, call.user, "", options.dry_run))

    def _delete_options(self, call: Call) -> DeleteOptions:
        body: Document = {}
        if call.body.strip():
            body = document(parse(call.body, call.content_type).value)
        propagation = body.get("propagationPolicy") or call.query.get("propagationPolicy")
        orphan = body.get("orphanDependents") or call.flag("orphanDependents")
        try:
            policy = Propagation(propagation or ("Orphan" if orphan else "Background"))
        except ValueError:
            raise bad_request(
                f"propagationPolicy: expected Background, Foreground or Orphan, found "
                f"{propagation!r}"
            ) from None
        grace = body.get("gracePeriodSeconds", call.number("gracePeriodSeconds"))
        if grace is not None and (not isinstance(grace, int) or grace < 0):
            raise bad_request(
                f"gracePeriodSeconds: expected a whole number of 0 or more, found {grace!r}"
            )
        return DeleteOptions(
            propagation=policy,
            grace_seconds=grace,
            preconditions=Preconditions(
                dig(body, "preconditions", "uid"), dig(body, "preconditions", "resourceVersion")
            ),
            dry_run=call.dry_run or "All" in (body.get("dryRun") or ()),
        )


def _looks_twice(call: Call) -> bool:
    return call.query.get("fieldValidation", "Warn") != "Ignore"


def _complete(call: Call, old: Document, new: Document) -> Document:
    """The whole object that a write to the object or to its status leads to."""
    if call.target.subresource == "status":
        whole = {**old, "status": new.get("status")}
        version = new["metadata"].get("resourceVersion")
        metadata = {**old["metadata"], **({"resourceVersion": version} if version else {})}
        return {**whole, "metadata": metadata}
    if "status" in call.target.kind.subresources:
        kept = {"status": old["status"]} if "status" in old else {}
        return {**{key: value for key, value in new.items() if key != "status"}, **kept}
    return new


def _with_managers_of(old: Document, new: Document) -> Document:
    managers = old["metadata"].get("managedFields")
    if managers is None:
        return new
    return {**new, "metadata": {**new["metadata"], "managedFields": managers}}


def _intended(call: Call, sent: Document) -> Document:
    """What the manager wants, without what it cannot own."""
    dropped = {"creationTimestamp", "managedFields", "resourceVersion", "generation"}
    metadata = {key: value for key, value in sent["metadata"].items() if key not in dropped}
    members = {**sent, "metadata": metadata}
    if call.target.subresource != "status" and "status" in call.target.kind.subresources:
        members.pop("status", None)
    return members
