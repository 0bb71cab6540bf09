// Structural schemas of custom resources as an API server applies them: pruning, defaults, validation.
#pragma once

#include "sim/cluster/api_errors.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rdmalab::cluster {

class Schema {
public:
    using Json = nlohmann::json;
    enum class Type { object, array, string, integer, boolean };

    static Schema string() { return Schema(Type::string); }
    static Schema integer() { return Schema(Type::integer); }
    static Schema boolean() { return Schema(Type::boolean); }
    static Schema array(Schema items);
    static Schema object(std::map<std::string, Schema> properties, std::vector<std::string> required = {});
    static Schema mapOf(Schema values); // additionalProperties
    static Schema anything();           // x-kubernetes-preserve-unknown-fields

    Schema byDefault(Json value) const;
    Schema oneOf(std::vector<Json> values) const;
    Schema between(std::int64_t least, std::optional<std::int64_t> most = {}) const;

    // Removes what the schema does not know; the paths of what went ("spec.sriov.enableRdma").
    std::vector<std::string> prune(Json& value) const;
    void applyDefaults(Json& value) const;
    // Wrong types only; the value must have the right ones before a webhook can read it.
    std::vector<FieldError> checkTypes(const Json& value) const;
    // Types, required fields, enumerations, bounds; with the texts of the API server.
    std::vector<FieldError> validate(const Json& value) const;

private:
    explicit Schema(Type type) : type_(type) {}
    void prune(Json& value, const std::string& path, std::vector<std::string>& pruned) const;
    void validate(const Json& value, const std::string& path, bool typesOnly, std::vector<FieldError>& errors) const;
    bool hasRightType(const Json& value) const;

    Type type_;
    bool anything_ = false;
    std::map<std::string, Schema> properties_;
    std::vector<std::string> required_;
    std::shared_ptr<const Schema> items_; // of an array or a map
    std::optional<Json> default_;
    std::vector<Json> enum_;
    std::optional<std::int64_t> least_, most_;
};

} // namespace rdmalab::cluster
