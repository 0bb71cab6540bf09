#include "harness/scenario/formats.h"
#include "harness/scenario/matcher.h"
#include "harness/scenario/reading.h"
#include "harness/scenario/yaml_value.h"

#include <nlohmann/json.hpp>

namespace rdmalab::scenario {

PodSelector readPods(const View& at, const std::string& labelsKey, const std::string& podKey, std::string_view nsDefault) {
    PodSelector pods;
    pods.ns = at["namespace"].text(nsDefault);
    pods.pod = at[podKey].text("");
    for (const View& label : at[labelsKey].entries())
        pods.labels[label.key()] = label.text("");
    pods.place = at[podKey] ? at[podKey].place() : at[labelsKey] ? at[labelsKey].keyPlace() : at.place();
    return pods;
}

std::chrono::milliseconds readTimeout(const View& at) {
    return formats::parseDuration(at["timeout"].text("30s")).value_or(std::chrono::seconds(30));
}

PlacedJson readPartialObject(const View& at, Reading& reading) {
    PlacedJson object = toJson(at.node(), reading.diagnostics);
    if (!object->contains("kind") || !object->at("kind").is_string()) {
        Diagnostic& d = reading.diagnostics.error(object.placeOf("/kind"), "the expected object has no 'kind'");
        d.hint = "a partial object needs at least its kind, for example {kind: Node, metadata: {name: n1}, status: {...}}";
    }
    checkExpectation(object, reading.diagnostics);
    return object;
}

namespace {

constexpr const char* actionNames[] = {"apply", "delete", "wait", "assert", "probe", "fault", "patch", "write"};

class StepReader {
public:
    explicit StepReader(Reading& reading) : reading_(reading), diagnostics_(reading.diagnostics) {}

    std::optional<Step> read(const View& view) {
        Step step;
        step.place = view.place();
        for (const char* action : actionNames) {
            const View at = view[action];
            if (!at)
                continue;
            step.place = at.keyPlace();
            step.action = readAction(action, at);
            step.name = view["name"] ? view["name"].text("") : defaultName(action, at, step.action);
            return step;
        }
        return std::nullopt;
    }

private:
    Action readAction(std::string_view action, const View& at) {
        if (action == "apply")
            return readApply(at);
        if (action == "delete")
            return readDelete(at);
        if (action == "wait")
            return readWait(at);
        if (action == "assert")
            return readAssert(at);
        if (action == "probe")
            return ProbeStep{readProbes(at, reading_)};
        if (action == "fault")
            return readFault(at);
        if (action == "write")
            return readWrite(at);
        return readPatch(at);
    }

    ApplyStep readApply(const View& at) {
        ApplyStep step;
        step.replace = at["replace"].boolean(false);
        if (const View refusal = at["expectRefusal"])
            step.expectRefusal = PlacedText{refusal.text(""), refusal.place()};
        step.manifests = readManifests(at, true, !at.has("expectRefusal"), reading_);
        return step;
    }

    ObjectRef readReference(const View& at) const {
        return {at["apiVersion"].text(""), at["kind"].text(""), at["namespace"].text(""), at["name"].text(""), at.place()};
    }

    DeleteStep readDelete(const View& at) {
        DeleteStep step;
        step.wait = at["wait"].boolean(true);
        for (const Manifest& manifest : readManifests(at, false, false, reading_)) {
            if (manifest.name.empty()) {
                diagnostics_.error(manifest.place, "an object without metadata.name cannot be deleted");
                continue;
            }
            step.objects.push_back({manifest.apiVersion, manifest.kind, manifest.ns, manifest.name, manifest.place});
        }
        for (const View& object : at["objects"].items())
            step.objects.push_back(readReference(object));
        return step;
    }

    WaitStep readWait(const View& at) {
        WaitStep step;
        step.timeout = readTimeout(at);
        if (at.has("object")) {
            for (const char* key : {"namespace", "condition", "count"}) {
                if (const View misplaced = at[key])
                    diagnostics_.error(misplaced.keyPlace(), std::string("'") + key + "' goes with 'pods', not with 'object'")
                        .hint = "write it into the object";
            }
            if (at["object"])
                step.until = ObjectWait{readPartialObject(at["object"], reading_)};
            return step;
        }
        PodWait wait;
        wait.pods = readPods(at, "pods", "");
        const std::string word = at["condition"].text("Ready");
        for (const PodCondition one : {PodCondition::ready, PodCondition::running, PodCondition::pending, PodCondition::completed,
                                       PodCondition::failed, PodCondition::gone}) {
            if (word == name(one))
                wait.condition = one;
        }
        wait.count = at["count"].integer();
        if (wait.count && wait.condition == PodCondition::gone && *wait.count != 0)
            diagnostics_.error(at["count"].keyPlace(), "'count' has no meaning with condition Gone");
        step.until = std::move(wait);
        return step;
    }

    AssertStep readAssert(const View& at) {
        AssertStep step;
        for (const View& view : at.items()) {
            ObjectAssertion assertion;
            assertion.place = view.place();
            View object = view;
            if (view.has("absent")) {
                assertion.mode = ObjectAssertion::Mode::absent;
                object = view["absent"];
            } else if (view.has("of") || (view.has("count") && !view.has("kind"))) {
                assertion.mode = ObjectAssertion::Mode::count;
                assertion.count = view["count"].integer().value_or(0);
                object = view["of"];
            }
            if (!object)
                continue;
            assertion.object = readPartialObject(object, reading_);
            step.assertions.push_back(std::move(assertion));
        }
        return step;
    }

    FaultStep readFault(const View& at) {
        FaultStep step;
        for (const char* name : {"killContainer", "stopContainer"}) {
            if (const View one = at[name]) {
                reading_.requireNode(one["node"]);
                step.name = name;
                step.fault = ContainerFault{name[0] == 'k' ? ContainerFault::Action::kill : ContainerFault::Action::stop,
                                            readPods(one, "pods", "pod"), one["container"].text(""), one["node"].text("")};
            }
        }
        for (const auto& [name, action] :
             {std::pair{"restartKubelet", KubeletFault::Action::restart}, std::pair{"stopKubelet", KubeletFault::Action::stop},
              std::pair{"startKubelet", KubeletFault::Action::start}}) {
            if (const View one = at[name]) {
                reading_.requireNode(one["node"]);
                step.name = name;
                step.fault = KubeletFault{action, one["node"].text("")};
            }
        }
        for (const auto& [name, action] : {std::pair{"removeCharDevice", CharDeviceFault::Action::remove},
                                           std::pair{"restoreCharDevice", CharDeviceFault::Action::restore}}) {
            if (const View one = at[name]) {
                reading_.requireNode(one["node"]);
                step.name = name;
                step.fault = CharDeviceFault{action, one["node"].text(""), one["device"].text("")};
            }
        }
        for (const auto& [name, action] :
             {std::pair{"linkDown", LinkFault::Action::down}, std::pair{"linkUp", LinkFault::Action::up}}) {
            if (const View one = at[name]) {
                reading_.requireNode(one["node"]);
                step.name = name;
                step.fault = LinkFault{action, one["node"].text(""), one["netdev"].text("")};
            }
        }
        for (const auto& [name, action] :
             {std::pair{"unplugCard", CardFault::Action::unplug}, std::pair{"replugCard", CardFault::Action::replug}}) {
            if (const View one = at[name]) {
                reading_.requireNode(one["node"]);
                step.name = name;
                step.fault = CardFault{action, one["node"].text(""), one["pci"].text("")};
            }
        }
        if (const View one = at["reloadDriver"]) {
            reading_.requireNode(one["node"]);
            step.name = "reloadDriver";
            step.fault = DriverFault{one["node"].text(""), one["driver"].text("")};
        }
        if (const View one = at["limitVfs"]) {
            reading_.requireNode(one["node"]);
            step.name = "limitVfs";
            step.fault =
                FirmwareFault{one["node"].text(""), one["pci"].text(""), static_cast<int>(one["vfs"].integer().value_or(0))};
        }
        return step;
    }

    WriteStep readWrite(const View& at) {
        reading_.requireNode(at["node"]);
        return {at["node"].text(""), at["file"].text(""), at["content"].text(""), at["refused"].text("")};
    }

    PatchStep readPatch(const View& at) {
        PatchStep step;
        step.object = readReference(at);
        if (at["merge"])
            step.merge = toJson(at["merge"].node(), diagnostics_);
        return step;
    }

    static std::string baseNames(const View& files) {
        std::string out;
        for (const std::string& path : files.texts())
            out += (out.empty() ? " " : ", ") + path.substr(path.rfind('/') + 1);
        return out;
    }

    static std::string defaultName(const std::string& action, const View& at, const Action& made) {
        if (const auto* apply = std::get_if<ApplyStep>(&made)) {
            std::string out = "apply" + baseNames(at["files"]);
            if (!at.has("files")) {
                for (const Manifest& one : apply->manifests)
                    out += (out == "apply" ? " " : ", ") + one.kind + ' ' + one.name;
            }
            return apply->expectRefusal ? out + " is refused" : out;
        }
        if (const auto* deletion = std::get_if<DeleteStep>(&made)) {
            std::string out = "delete" + baseNames(at["files"]);
            for (const View& object : at["objects"].items())
                out += (out == "delete" ? " " : ", ") + object["kind"].text("") + ' ' + object["name"].text("");
            (void)deletion;
            return out;
        }
        if (const auto* wait = std::get_if<WaitStep>(&made)) {
            if (const auto* pods = std::get_if<PodWait>(&wait->until))
                return "wait until " + pods->pods.str() + (pods->condition == PodCondition::gone ? " are " : " are all ") +
                       std::string(name(pods->condition));
            return "wait for " + objectName(std::get<ObjectWait>(wait->until).object.json());
        }
        if (const auto* patch = std::get_if<PatchStep>(&made))
            return "patch " + patch->object.kind + ' ' + patch->object.name;
        if (const auto* write = std::get_if<WriteStep>(&made))
            return "write '" + write->content + "' to " + write->file + (write->refused.empty() ? "" : " is refused");
        if (const auto* fault = std::get_if<FaultStep>(&made))
            return "fault " + fault->name;
        if (const auto* probes = std::get_if<ProbeStep>(&made); probes != nullptr && probes->probes.size() == 1)
            return "probe " + describe(probes->probes.front());
        if (const auto* asserts = std::get_if<AssertStep>(&made); asserts != nullptr && asserts->assertions.size() == 1)
            return "assert " + objectName(asserts->assertions.front().object.json());
        return action + ' ' + std::to_string(at.items().size()) + " expectations";
    }

    static std::string objectName(const Json& object) {
        const auto textAt = [&](const char* pointer) {
            const auto at = Json::json_pointer(pointer);
            return object.contains(at) && object.at(at).is_string() ? object.at(at).get<std::string>() : std::string();
        };
        const std::string named = textAt("/metadata/name");
        return textAt("/kind") + (named.empty() ? "" : ' ' + named);
    }

    Reading& reading_;
    Diagnostics& diagnostics_;
};

} // namespace

std::vector<Step> readSteps(const View& steps, Reading& reading) {
    std::vector<Step> out;
    StepReader reader(reading);
    for (const View& view : steps.items()) {
        if (auto step = reader.read(view))
            out.push_back(std::move(*step));
    }
    return out;
}

} // namespace rdmalab::scenario
