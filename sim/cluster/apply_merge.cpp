#include "sim/cluster/apply_merge.h"

#include <string>

namespace rdmalab::cluster {
namespace {

using Json = nlohmann::json;

void mergeInto(Json& live, const Json& lastApplied, const Json& manifest) {
    if (!manifest.is_object()) {
        live = manifest;
        return;
    }
    if (!live.is_object())
        live = Json::object();
    if (lastApplied.is_object())
        for (const auto& [key, value] : lastApplied.items())
            if (!manifest.contains(key))
                live.erase(key);
    for (const auto& [key, value] : manifest.items()) {
        if (value.is_null()) {
            live.erase(key);
            continue;
        }
        const auto before = lastApplied.is_object() ? lastApplied.find(key) : lastApplied.end();
        mergeInto(live[key], before == lastApplied.end() ? Json() : *before, value);
    }
}

} // namespace

Json withLastApplied(const Json& manifest) {
    Json recorded = manifest;
    // kubectl records the manifest with an annotations map, its own key left out.
    Json& meta = recorded["metadata"];
    if (!meta["annotations"].is_object())
        meta["annotations"] = Json::object();
    meta["annotations"].erase(std::string(lastAppliedAnnotation));
    Json sent = manifest;
    if (!sent["metadata"]["annotations"].is_object())
        sent["metadata"]["annotations"] = Json::object();
    sent["metadata"]["annotations"][std::string(lastAppliedAnnotation)] = recorded.dump() + "\n";
    return sent;
}

Json applyMerge(const Json& live, const Json& manifest) {
    Json lastApplied;
    if (const auto meta = live.find("metadata"); meta != live.end())
        if (const auto annotations = meta->find("annotations"); annotations != meta->end())
            if (const auto text = annotations->find(lastAppliedAnnotation); text != annotations->end() && text->is_string())
                lastApplied = Json::parse(text->get_ref<const std::string&>(), nullptr, false);
    if (lastApplied.is_discarded())
        lastApplied = Json();
    Json merged = live;
    mergeInto(merged, lastApplied, withLastApplied(manifest));
    return merged;
}

} // namespace rdmalab::cluster
