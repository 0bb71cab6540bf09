#include "sim/cluster/spiderpool/schema.h"

#include <fmt/format.h>

#include <algorithm>

namespace rdmalab::cluster {
namespace {

using Json = nlohmann::json;

std::string join(const std::string& path, const std::string& key) {
    return path.empty() ? key : path + "." + key;
}

const char* nameOfType(Schema::Type type) {
    switch (type) {
    case Schema::Type::object:
        return "object";
    case Schema::Type::array:
        return "array";
    case Schema::Type::string:
        return "string";
    case Schema::Type::integer:
        return "integer";
    case Schema::Type::boolean:
        return "boolean";
    }
    return "";
}

const char* nameOfValue(const Json& value) {
    if (value.is_number_integer())
        return "integer";
    if (value.is_number_float())
        return "number";
    return value.type_name(); // "object", "array", "string", "boolean", "null"
}

} // namespace

Schema Schema::array(Schema items) {
    Schema schema(Type::array);
    schema.items_ = std::make_shared<const Schema>(std::move(items));
    return schema;
}

Schema Schema::object(std::map<std::string, Schema> properties, std::vector<std::string> required) {
    Schema schema(Type::object);
    schema.properties_ = std::move(properties);
    schema.required_ = std::move(required);
    return schema;
}

Schema Schema::mapOf(Schema values) {
    Schema schema(Type::object);
    schema.items_ = std::make_shared<const Schema>(std::move(values));
    return schema;
}

Schema Schema::anything() {
    Schema schema(Type::object);
    schema.anything_ = true;
    return schema;
}

Schema Schema::byDefault(Json value) const {
    Schema schema = *this;
    schema.default_ = std::move(value);
    return schema;
}

Schema Schema::oneOf(std::vector<Json> values) const {
    Schema schema = *this;
    schema.enum_ = std::move(values);
    return schema;
}

Schema Schema::between(std::int64_t least, std::optional<std::int64_t> most) const {
    Schema schema = *this;
    schema.least_ = least;
    schema.most_ = most;
    return schema;
}

std::vector<std::string> Schema::prune(Json& value) const {
    std::vector<std::string> pruned;
    prune(value, "", pruned);
    return pruned;
}

void Schema::prune(Json& value, const std::string& path, std::vector<std::string>& pruned) const {
    if (anything_)
        return;
    if (type_ == Type::array && value.is_array()) {
        for (std::size_t i = 0; i < value.size(); ++i)
            items_->prune(value[i], fmt::format("{}[{}]", path, i), pruned);
        return;
    }
    if (type_ != Type::object || !value.is_object())
        return;
    for (auto it = value.begin(); it != value.end();) {
        const std::string inner = join(path, it.key());
        if (items_) {
            items_->prune(*it, inner, pruned);
            ++it;
            continue;
        }
        const auto known = properties_.find(it.key());
        if (known == properties_.end()) {
            pruned.push_back(inner);
            it = value.erase(it);
        } else if (it->is_null()) {
            // The server drops a null where the schema has nothing nullable.
            it = value.erase(it);
        } else {
            known->second.prune(*it, inner, pruned);
            ++it;
        }
    }
}

void Schema::applyDefaults(Json& value) const {
    if (type_ == Type::array && value.is_array())
        for (Json& item : value)
            items_->applyDefaults(item);
    if (type_ != Type::object || !value.is_object())
        return;
    for (const auto& [key, schema] : properties_) {
        if (schema.default_ && !value.contains(key))
            value[key] = *schema.default_;
        if (const auto it = value.find(key); it != value.end())
            schema.applyDefaults(*it);
    }
}

bool Schema::hasRightType(const Json& value) const {
    switch (type_) {
    case Type::object:
        return value.is_object();
    case Type::array:
        return value.is_array();
    case Type::string:
        return value.is_string();
    case Type::integer:
        return value.is_number_integer();
    case Type::boolean:
        return value.is_boolean();
    }
    return false;
}

std::vector<FieldError> Schema::checkTypes(const Json& value) const {
    std::vector<FieldError> errors;
    validate(value, "", true, errors);
    return errors;
}

std::vector<FieldError> Schema::validate(const Json& value) const {
    std::vector<FieldError> errors;
    validate(value, "", false, errors);
    return errors;
}

void Schema::validate(const Json& value, const std::string& path, bool typesOnly, std::vector<FieldError>& errors) const {
    if (!hasRightType(value)) {
        const std::string found = Json(nameOfValue(value)).dump();
        errors.push_back(
            FieldError::invalid(path, found, fmt::format("{} in body must be of type {}: {}", path, nameOfType(type_), found)));
        return;
    }
    if (anything_)
        return;
    if (type_ == Type::array)
        for (std::size_t i = 0; i < value.size(); ++i)
            items_->validate(value[i], fmt::format("{}[{}]", path, i), typesOnly, errors);
    if (type_ == Type::object) {
        if (!typesOnly)
            for (const std::string& key : required_)
                if (!value.contains(key))
                    errors.push_back(FieldError::required(join(path, key), ""));
        for (const auto& [key, member] : value.items()) {
            if (items_) {
                items_->validate(member, join(path, key), typesOnly, errors);
            } else if (const auto known = properties_.find(key); known != properties_.end()) {
                known->second.validate(member, join(path, key), typesOnly, errors);
            }
        }
    }
    if (typesOnly)
        return;
    if (!enum_.empty() && std::find(enum_.begin(), enum_.end(), value) == enum_.end()) {
        std::vector<std::string> supported;
        for (const Json& allowed : enum_)
            supported.push_back(allowed.is_string() ? allowed.dump() : "\"" + allowed.dump() + "\"");
        errors.push_back(FieldError::notSupported(path, value.dump(), supported));
    }
    if (type_ == Type::integer) {
        const auto number = value.get<std::int64_t>();
        if (least_ && number < *least_)
            errors.push_back(FieldError::invalid(path, value.dump(),
                                                 fmt::format("{} in body should be greater than or equal to {}", path, *least_)));
        if (most_ && number > *most_)
            errors.push_back(FieldError::invalid(path, value.dump(),
                                                 fmt::format("{} in body should be less than or equal to {}", path, *most_)));
    }
}

} // namespace rdmalab::cluster
