#include "harness/scenario/admission.h"
#include "harness/scenario/reading.h"
#include "harness/scenario/text_map.h"
#include "harness/scenario/yaml_value.h"

#include <nlohmann/json.hpp>

#include <optional>

namespace rdmalab::scenario {

namespace {

class ManifestReader {
public:
    ManifestReader(bool checked, Reading& reading) : checked_(checked), reading_(reading), diagnostics_(reading.diagnostics) {}

    std::vector<Manifest> take() { return std::move(manifests_); }

    void readFile(const View& file, const std::optional<std::map<std::string, std::string>>& env) {
        const std::string path = file.text("");
        auto content = reading_.folder.read(path, file.place(), diagnostics_);
        if (!content)
            return;
        const std::string shown = reading_.folder.shown(path);
        std::optional<SubstitutedText> substituted;
        if (env)
            substituted = substituteVariables(*content, *env, shown, diagnostics_);
        const std::size_t errorsBefore = diagnostics_.errors();
        const auto documents =
            parseYaml(substituted ? substituted->text : *content, shown, diagnostics_, substituted ? &substituted->map : nullptr);
        if (documents.empty() && diagnostics_.errors() == errorsBefore)
            diagnostics_.error(file.place(), "there is no object in the file").found = path;
        if (!env && content->find("${") != std::string::npos)
            warnAboutVariables(*content, shown);
        for (const YamlPtr& document : documents)
            readObject(*document);
    }

    void readObject(const YamlNode& node) {
        if (!node.isMap()) {
            diagnostics_.error(node.place, "a manifest must be a map").found = describe(node);
            return;
        }
        addObject(toJson(node, diagnostics_));
    }

private:
    void addObject(const PlacedJson& object) {
        if (object->value("kind", Json()) == "List" && object->contains("items") && object->at("items").is_array()) {
            for (std::size_t i = 0; i < object->at("items").size(); ++i) {
                const PlacedJson item = object.at("/items/" + std::to_string(i));
                if (item->is_object())
                    addObject(item);
                else
                    diagnostics_.error(item.place(), "a manifest must be a map").found = item->dump();
            }
            return;
        }
        Manifest manifest;
        manifest.place = object.place();
        const bool complete = field(object, "/apiVersion", manifest.apiVersion) & field(object, "/kind", manifest.kind) &
                              readMetadata(object, manifest);
        manifest.object = object;
        if (complete && checked_)
            checkAdmission(manifest, reading_.scenario.compat, diagnostics_);
        if (complete)
            manifests_.push_back(std::move(manifest));
    }

    // A text that must be there.
    bool field(const PlacedJson& object, const std::string& pointer, std::string& out) {
        const std::string what = pointer.substr(1);
        const auto at = Json::json_pointer(pointer);
        if (!object->contains(at)) {
            diagnostics_.error(object.place(), "the manifest has no '" + what + "'").hint =
                "every Kubernetes object has apiVersion, kind and metadata.name";
            return false;
        }
        return readText(object, pointer, what, out);
    }

    bool readText(const PlacedJson& object, const std::string& pointer, const std::string& what, std::string& out) {
        const Json& value = object->at(Json::json_pointer(pointer));
        if (!value.is_string() || value.get_ref<const std::string&>().empty()) {
            Diagnostic& d = diagnostics_.error(object.placeOf(pointer), "'" + what + "' must be text");
            d.found = value.dump();
            if (!value.is_string() && !value.is_null())
                d.hint = "put it in quotes";
            return false;
        }
        out = value.get<std::string>();
        return true;
    }

    bool readMetadata(const PlacedJson& object, Manifest& manifest) {
        if (!object->contains("metadata") || !object->at("metadata").is_object()) {
            diagnostics_
                .error(object->contains("metadata") ? object.placeOf("/metadata") : object.place(),
                       "the manifest has no 'metadata'")
                .hint = "every Kubernetes object has apiVersion, kind and metadata.name";
            return false;
        }
        const Json& metadata = object->at("metadata");
        bool good = true;
        if (metadata.contains("namespace") && !metadata.at("namespace").is_null())
            good = readText(object, "/metadata/namespace", "metadata.namespace", manifest.ns);
        if (metadata.contains("name"))
            return readText(object, "/metadata/name", "metadata.name", manifest.name) && good;
        if (metadata.contains("generateName"))
            return good;
        diagnostics_.error(object.placeOf("/metadata"), "the manifest has no 'metadata.name'").hint = "or metadata.generateName";
        return false;
    }

    void warnAboutVariables(const std::string& content, const std::string& shown) {
        int line = 1, column = 1;
        for (std::size_t i = 0; i + 2 < content.size(); ++i) {
            if (content[i] == '$' && content[i + 1] == '{' &&
                ((content[i + 2] >= 'A' && content[i + 2] <= 'Z') || content[i + 2] == '_')) {
                Diagnostic& d =
                    diagnostics_.warning({shown, line, column}, "the file has a shell variable, but the step has no 'env'");
                d.hint = "the text goes to the cluster as it is; with `env: {NAME: value}` variables are filled in";
                return;
            }
            column = content[i] == '\n' ? 1 : column + 1;
            line += content[i] == '\n' ? 1 : 0;
        }
    }

    bool checked_;
    Reading& reading_;
    Diagnostics& diagnostics_;
    std::vector<Manifest> manifests_;
};

} // namespace

std::vector<Manifest> readManifests(const View& step, bool inlineObjects, bool checked, Reading& reading) {
    std::optional<std::map<std::string, std::string>> env;
    if (step.has("env")) {
        env.emplace();
        for (const View& variable : step["env"].entries())
            (*env)[variable.key()] = variable.text("");
    }
    ManifestReader reader(checked, reading);
    for (const View& file : step["files"].items())
        reader.readFile(file, env);
    if (inlineObjects) {
        for (const View& object : step["objects"].items())
            reader.readObject(object.node());
    }
    return reader.take();
}

} // namespace rdmalab::scenario
