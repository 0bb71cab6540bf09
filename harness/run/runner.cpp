#include "harness/run/runner.h"

#include "harness/run/inside_checks.h"
#include "harness/run/pods.h"
#include "harness/scenario/matcher.h"
#include "sim/clock/event_loop.h"
#include "sim/cluster/cluster.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>

namespace rdmalab::harness {

using namespace scenario;
using report::Outcome;
using std::chrono::milliseconds;

namespace {

// What a control plane settles within, on either clock.
constexpr milliseconds patience{10000};

Outcome worse(Outcome a, Outcome b) {
    const auto rank = [](Outcome outcome) {
        switch (outcome) {
        case Outcome::passed:
            return 1;
        case Outcome::skipped:
            return 0;
        default:
            return 2;
        }
    };
    return rank(a) >= rank(b) ? a : b;
}

std::string objectName(const Json& object) {
    std::string text = object.value("kind", "object");
    const Json metadata = object.value("metadata", Json::object());
    if (metadata.contains("name") && metadata.at("name").is_string())
        text += " " + (metadata.contains("namespace") ? metadata.value("namespace", "") + "/" : std::string()) +
                metadata.value("name", "");
    else if (object.contains("reason") && object.at("reason").is_string())
        text += " " + object.value("reason", "");
    return text;
}

std::string defaultNamespace(const cluster::Store& store, const std::string& apiVersion, const std::string& kind,
                             const std::string& ns) {
    const auto* type = store.findType(apiVersion, kind);
    if (!ns.empty() || (type != nullptr && !type->namespaced))
        return ns;
    return "default";
}

} // namespace

Runner::Runner(const Scenario& scenario, Tier& tier, Emit emit) : scenario_(scenario), tier_(tier), emit_(std::move(emit)) {}

Outcome Runner::run() {
    Outcome all = Outcome::skipped;
    for (const auto& step : scenario_.steps) {
        ++step_;
        emit_(report::StepStarted{step_, step.name, std::string(kindOf(step.action)), step.place});
        const auto begin = std::chrono::steady_clock::now();
        Outcome outcome;
        std::string failure;
        try {
            outcome = std::visit([&](const auto& action) { return play(action, step.place); }, step.action);
            if (outcome == Outcome::failed)
                failure = message_;
        } catch (const std::exception& error) {
            outcome = Outcome::failed;
            failure = error.what();
            if (message_.empty())
                message_ = failure;
            emit_(report::AssertionResult{step_, Outcome::failed, step.place, step.name, failure, {}, {}, {}});
        }
        if (outcome == Outcome::failed)
            captureLogs();
        emit_(report::StepFinished{step_, outcome, failure,
                                   std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin)});
        all = worse(all, outcome);
        if (outcome == Outcome::failed || outcome == Outcome::error)
            break;
    }
    return all;
}

Outcome Runner::conclude(const std::string& what, const Place& place, const Finding& finding) {
    if (!finding.ok && message_.empty())
        message_ = what + ": " + finding.message;
    emit_(report::AssertionResult{step_, finding.ok ? Outcome::passed : Outcome::failed,
                                  finding.place.known() ? finding.place : place, what, finding.message, finding.expected,
                                  finding.found, finding.hint});
    return finding.ok ? Outcome::passed : Outcome::failed;
}

Outcome Runner::expect(const std::string& what, const Place& place, milliseconds timeout, const Check& check) {
    Finding finding;
    std::string told;
    std::uint64_t seen = ~std::uint64_t{0};
    bool changed = true; // something that the store does not show
    tier_.onChange = [&changed] { changed = true; };
    tier_.loop().runUntil(
        [&] {
            // Looking is cheap but not free: only when there is something new to see.
            const auto version = tier_.cluster().store().resourceVersion();
            if (!changed && version == seen)
                return finding.ok;
            changed = false;
            seen = version;
            finding = check();
            if (!finding.ok && finding.message != told) {
                told = finding.message;
                emit_(report::ProgressLine{"waiting for " + what + ": " + told});
            }
            return finding.ok;
        },
        timeout);
    tier_.onChange = nullptr;
    if (!finding.ok) {
        explaining_ = true;
        finding = check(); // interfaces and files change without a word
        explaining_ = false;
    }
    if (!finding.ok)
        finding.message += fmt::format(" (waited {} s)", static_cast<double>(timeout.count()) / 1000);
    return conclude(what, place, finding);
}

// ---- objects ------------------------------------------------------------------------------------------------------------------

Outcome Runner::play(const ApplyStep& step, const Place& place) {
    auto& store = tier_.cluster().store();
    std::optional<std::string> refusal;
    for (const auto& manifest : step.manifests) {
        const std::string what = "apply " + objectName(*manifest.object);
        try {
            if (step.replace) {
                const auto ns = defaultNamespace(store, manifest.apiVersion, manifest.kind, manifest.ns);
                if (store.find(manifest.kind, ns, manifest.name)) {
                    store.remove(manifest.kind, ns, manifest.name);
                    tier_.loop().runUntil([&] { return !store.find(manifest.kind, ns, manifest.name); }, patience);
                }
            }
            store.apply(*manifest.object);
            emit_(report::ProgressLine{what});
        } catch (const plugin::KubeError& error) {
            if (!step.expectRefusal) {
                Finding finding{false, error.what(), "the API accepts it", "refused", {}, manifest.place};
                return conclude(what, manifest.place, finding);
            }
            refusal = error.what();
        }
    }
    if (step.expectRefusal) {
        Finding finding;
        finding.ok = refusal && refusal->find(step.expectRefusal->text) != std::string::npos;
        if (!finding.ok) {
            finding.message = refusal ? "the API refused with other words" : "the API accepted what it should refuse";
            finding.expected = "a refusal that contains \"" + step.expectRefusal->text + "\"";
            finding.found = refusal.value_or("no refusal");
            finding.place = step.expectRefusal->place;
        }
        return conclude("refusal", place, finding);
    }
    return Outcome::passed;
}

Outcome Runner::play(const DeleteStep& step, const Place& place) {
    auto& store = tier_.cluster().store();
    Outcome outcome = Outcome::passed;
    for (const auto& object : step.objects) {
        const auto ns = defaultNamespace(store, object.apiVersion, object.kind, object.ns);
        const auto gone = [&]() -> Finding {
            Finding finding;
            finding.ok = !store.find(object.kind, ns, object.name);
            if (finding.ok)
                return finding;
            finding.message = "it is still there";
            finding.expected = "no such object";
            return finding;
        };
        try {
            store.remove(object.kind, ns, object.name);
        } catch (const plugin::KubeError& error) {
            return conclude("delete " + object.kind + " " + object.name, object.place, {false, error.what(), {}, {}, {}, {}});
        }
        if (step.wait)
            outcome = worse(outcome, expect("delete " + object.kind + " " + object.name, place, milliseconds(60000), gone));
        if (outcome == Outcome::failed)
            break;
    }
    return outcome;
}

Outcome Runner::play(const PatchStep& step, const Place& place) {
    auto& store = tier_.cluster().store();
    const auto ns = defaultNamespace(store, step.object.apiVersion, step.object.kind, step.object.ns);
    try {
        store.mergePatch(step.object.kind, ns, step.object.name, *step.merge);
    } catch (const plugin::KubeError& error) {
        return conclude("patch " + step.object.kind + " " + step.object.name, place, {false, error.what(), {}, {}, {}, {}});
    }
    return Outcome::passed;
}

Runner::Finding Runner::checkObject(const ObjectAssertion& assertion) {
    const Json& wanted = *assertion.object;
    const auto& store = tier_.cluster().store();
    const std::string kind = wanted.value("kind", "");
    const Json metadata = wanted.value("metadata", Json::object());
    const bool named = metadata.contains("name") && metadata.at("name").is_string();
    const std::string name = named ? metadata.value("name", "") : std::string();
    const std::string ns =
        metadata.contains("namespace") && metadata.at("namespace").is_string() ? metadata.value("namespace", "") : std::string();
    int matching = 0;
    std::optional<Mismatch> nearest;
    std::size_t fewest = ~std::size_t{0};
    int looked = 0;
    for (const auto& object : store.list(kind, ns)) {
        if (named && object->at("metadata").value("name", "") != name)
            continue;
        ++looked;
        const auto mismatches = matchPartial(assertion.object, *object);
        if (mismatches.empty()) {
            ++matching;
        } else if (mismatches.size() < fewest) {
            fewest = mismatches.size();
            nearest = mismatches.front();
        }
    }
    Finding finding;
    switch (assertion.mode) {
    case ObjectAssertion::Mode::present:
        finding.ok = matching > 0;
        if (!finding.ok && nearest) {
            finding.message = named ? nearest->path + " differs"
                                    : fmt::format("none of {} matches; the nearest differs in {}", looked, nearest->path);
            finding.expected = nearest->expected;
            finding.found = nearest->found;
            finding.place = nearest->place;
        } else if (!finding.ok) {
            finding.message = "there is no such object";
            finding.expected = objectName(wanted);
            finding.found = "none";
        }
        if (!finding.ok && kind == "Pod" && named)
            finding.hint = lastWarning(ns, name);
        break;
    case ObjectAssertion::Mode::absent:
        finding.ok = matching == 0;
        if (!finding.ok) {
            finding.message = "it is there";
            finding.expected = "no object like this";
            finding.found = fmt::format("{}", matching);
        }
        break;
    case ObjectAssertion::Mode::count:
        finding.ok = matching == assertion.count;
        if (!finding.ok) {
            finding.message = "another number of objects matches";
            finding.expected = fmt::format("{}", assertion.count);
            finding.found = fmt::format("{} of {}", matching, looked);
            if (nearest)
                finding.hint = "nearest miss: " + nearest->str();
        }
        break;
    }
    return finding;
}

Outcome Runner::play(const AssertStep& step, const Place&) {
    Outcome outcome = Outcome::passed;
    for (const auto& assertion : step.assertions) {
        const std::string prefix = assertion.mode == ObjectAssertion::Mode::absent  ? "no "
                                   : assertion.mode == ObjectAssertion::Mode::count ? fmt::format("{} x ", assertion.count)
                                                                                    : "";
        outcome = worse(outcome, expect(prefix + objectName(*assertion.object), assertion.place, patience,
                                        [&] { return checkObject(assertion); }));
    }
    return outcome;
}

void Runner::captureLogs() {
    for (const auto& pod : tier_.cluster().store().list("Pod")) {
        const Json& spec = pod->at("spec");
        const bool runsForGood = spec.value("restartPolicy", "Always") == "Always";
        if ((runsForGood && fulfils(*pod, PodCondition::ready)) || fulfils(*pod, PodCondition::completed) ||
            spec.value("nodeName", "").empty())
            continue;
        for (const char* list : {"initContainers", "containers"})
            for (const auto& container : pod->at("spec").value(list, Json::array())) {
                const std::string log = tier_.log(insideOf(*pod, container.value("name", "")));
                if (!log.empty())
                    emit_(report::OutputCaptured{step_, "log of " + fullName(*pod) + " " + container.value("name", ""),
                                                 log.substr(log.size() > 4000 ? log.size() - 4000 : 0)});
            }
    }
}

std::string Runner::lastWarning(const std::string& ns, const std::string& pod) const {
    if (!explaining_) // it reads every event, and is only told at the end
        return {};
    std::string text;
    for (const auto& event : tier_.cluster().store().list("Event", ns)) {
        const Json about = event->value("involvedObject", Json::object());
        if (event->value("type", "") == "Warning" && about.value("name", "") == pod)
            text = event->value("reason", "") + ": " + event->value("message", "");
    }
    return text;
}

Runner::Finding Runner::checkPods(const PodWait& wait) {
    const auto pods = select(tier_.cluster().store(), wait.pods);
    Finding finding;
    int good = 0;
    std::vector<std::string> others;
    for (const auto& pod : pods) {
        if (fulfils(*pod, wait.condition)) {
            ++good;
            continue;
        }
        others.push_back(fullName(*pod) + " is " + statusOf(*pod));
        if (finding.hint.empty())
            finding.hint = lastWarning(pod->at("metadata").value("namespace", ""), pod->at("metadata").value("name", ""));
    }
    if (wait.condition == PodCondition::gone)
        finding.ok = pods.empty();
    else if (wait.count)
        finding.ok = good == *wait.count;
    else
        finding.ok = good > 0 && others.empty();
    if (finding.ok)
        return {};
    finding.message = fmt::format("{} of {} {}", good, pods.size(), name(wait.condition));
    finding.expected =
        wait.count ? fmt::format("{} {}", *wait.count, name(wait.condition)) : fmt::format("all {}", name(wait.condition));
    finding.found = pods.empty() ? "no such pod" : fmt::format("{}", fmt::join(others, "; "));
    return finding;
}

Outcome Runner::play(const WaitStep& step, const Place& place) {
    if (const auto* pods = std::get_if<PodWait>(&step.until))
        return expect(pods->pods.str() + " " + std::string(name(pods->condition)), place, step.timeout,
                      [&] { return checkPods(*pods); });
    ObjectAssertion assertion;
    assertion.object = std::get<ObjectWait>(step.until).object;
    return expect(objectName(*assertion.object), place, step.timeout, [&] { return checkObject(assertion); });
}

// ---- probes -------------------------------------------------------------------------------------------------------------------

std::vector<Inside> Runner::places(const Target& target, const std::string& container) const {
    std::vector<Inside> result;
    if (const auto* node = std::get_if<NodeSelector>(&target)) {
        Inside inside;
        inside.node = node->node;
        result.push_back(inside);
        return result;
    }
    for (const auto& pod : select(tier_.cluster().store(), std::get<PodSelector>(target)))
        if (!pod->at("metadata").contains("deletionTimestamp"))
            result.push_back(insideOf(*pod, container));
    return result;
}

Runner::Finding Runner::inspectAt(const Probe& probe, const Inside& inside) {
    InsideFinding found;
    if (const auto* log = std::get_if<LogProbe>(&probe.check)) {
        found = checkText(log->text, tier_.log(inside), "log of container " + inside.container);
    } else {
        tier_.look(inside, [&](View& view) {
            if (const auto* devices = std::get_if<DevicesProbe>(&probe.check))
                found = checkDevices(*devices, view);
            else if (const auto* interface = std::get_if<InterfaceProbe>(&probe.check))
                found = checkInterface(*interface, view);
            else if (const auto* file = std::get_if<FileProbe>(&probe.check))
                found = checkFile(*file, view);
            else if (const auto* rdma = std::get_if<RdmaProbe>(&probe.check))
                found = checkRdma(*rdma, view);
        });
    }
    Finding finding;
    finding.ok = found.message.empty();
    if (!finding.ok) {
        const std::string where = inside.isNode() ? "node " + inside.node : "pod " + inside.podNamespace + "/" + inside.podName;
        finding.message = where + ": " + found.message;
        finding.expected = found.expected;
        finding.found = found.found;
        finding.place = found.place;
    }
    return finding;
}

Runner::Finding Runner::inspect(const Probe& probe) {
    const auto* log = std::get_if<LogProbe>(&probe.check);
    const auto all = places(*probe.target, log != nullptr ? log->container : std::string());
    if (all.empty())
        return {false, "there is nowhere to look", describe(*probe.target), "no such pod", {}, {}};
    for (const auto& inside : all) {
        try {
            auto finding = inspectAt(probe, inside);
            if (!finding.ok)
                return finding;
        } catch (const std::exception& error) {
            return {false, error.what(), {}, {}, inside.isNode() ? "" : lastWarning(inside.podNamespace, inside.podName), {}};
        }
    }
    return {};
}

Outcome Runner::probeExec(const Probe& probe, const ExecProbe& exec) {
    const std::string what = describe(probe);
    Outcome outcome = Outcome::passed;
    const auto all = places(*probe.target, exec.container);
    if (all.empty())
        return conclude(what, probe.place, {false, "there is nowhere to run it", describe(*probe.target), "no such pod", {}, {}});
    for (const auto& inside : all) {
        std::optional<cluster::Result<ExecResult>> result;
        tier_.exec(inside, exec.argv, exec.timeout, [&](cluster::Result<ExecResult> done) { result = std::move(done); });
        tier_.loop().runUntil([&] { return result.has_value(); }, milliseconds(-1));
        Finding finding;
        if (!result || !*result) {
            finding = {false, result ? result->error : "no answer", {}, {}, {}, {}};
        } else {
            const ExecResult& done = *result->value;
            auto text = checkText(exec.out, done.output, "stdout");
            if (text.message.empty())
                text = checkText(exec.err, done.errors, "stderr");
            if (done.exitCode != exec.exitCode)
                finding = {false,
                           "exit code",
                           fmt::format("{}", exec.exitCode),
                           fmt::format("{}", done.exitCode),
                           done.errors.empty() ? std::string() : "stderr: " + done.errors,
                           {}};
            else if (!text.message.empty())
                finding = {false, text.message, text.expected, text.found, {}, text.place};
        }
        outcome = worse(outcome, conclude(what, probe.place, finding));
    }
    return outcome;
}

Outcome Runner::probeReach(const Probe& probe, const ReachProbe& reach) {
    struct End {
        Inside inside;
        std::string name, ip;
    };
    const auto ends = [&](const PodSelector& pods) {
        std::vector<End> result;
        for (const auto& pod : select(tier_.cluster().store(), pods))
            if (!pod->at("metadata").contains("deletionTimestamp"))
                result.push_back({insideOf(*pod, {}), fullName(*pod), pod->value("status", Json::object()).value("podIP", "")});
        return result;
    };
    std::vector<std::pair<End, End>> pairs;
    const auto from = ends(reach.between ? *reach.between : *reach.from);
    std::vector<End> to;
    if (reach.toIp)
        to.push_back({{}, reach.toIp->str(), reach.toIp->str()});
    else
        to = reach.between ? from : ends(*reach.to);
    for (const auto& a : from)
        for (const auto& b : to)
            if (a.name != b.name)
                pairs.emplace_back(a, b);
    const std::string what = describe(probe);
    if (pairs.empty())
        return conclude(what, probe.place, {false, "there are no two ends", "at least one pair of pods", "none", {}, {}});
    Outcome outcome = Outcome::passed;
    for (const auto& [a, b] : pairs) {
        Finding finding;
        const auto address = IpAddress::parse(b.ip);
        std::optional<cluster::Result<ReachResult>> result;
        if (!address) {
            finding = {false, b.name + " has no address", "a pod IP", "none", {}, {}};
        } else {
            tier_.reach(a.inside, *address, [&](cluster::Result<ReachResult> done) { result = std::move(done); });
            tier_.loop().runUntil([&] { return result.has_value(); }, milliseconds(-1));
            if (!result || !*result)
                finding = {false, result ? result->error : "no answer", {}, {}, {}, {}};
            else if (result->value->ok != reach.expectReached)
                finding = {false,
                           fmt::format("{} -> {} ({})", a.name, b.name, b.ip),
                           reach.expectReached ? "answers" : "no answer",
                           result->value->ok ? "answers" : result->value->detail,
                           {},
                           {}};
        }
        outcome = worse(outcome, conclude(what, probe.place, finding));
    }
    return outcome;
}

Outcome Runner::probe(const Probe& probe) {
    std::string kind(kindOf(probe));
    if (const auto* reach = std::get_if<ReachProbe>(&probe.check); reach != nullptr && reach->with != "ping")
        kind = reach->with;
    if (const auto reason = tier_.cannotProbe(kind); !reason.empty()) {
        emit_(report::AssertionResult{step_, Outcome::skipped, probe.place, describe(probe), reason, {}, {}, {}});
        return Outcome::skipped;
    }
    if (const auto* log = std::get_if<LogProbe>(&probe.check))
        for (const auto& inside : places(*probe.target, log->container))
            if (const auto reason = tier_.cannotLog(inside); !reason.empty()) {
                emit_(report::AssertionResult{step_, Outcome::skipped, probe.place, describe(probe), reason, {}, {}, {}});
                return Outcome::skipped;
            }
    if (const auto* exec = std::get_if<ExecProbe>(&probe.check))
        return probeExec(probe, *exec);
    if (const auto* reach = std::get_if<ReachProbe>(&probe.check))
        return probeReach(probe, *reach);
    return expect(describe(probe), probe.place, patience, [&] { return inspect(probe); });
}

Outcome Runner::play(const ProbeStep& step, const Place&) {
    Outcome outcome = Outcome::skipped;
    for (const auto& one : step.probes)
        outcome = worse(outcome, probe(one));
    return outcome;
}

} // namespace rdmalab::harness
