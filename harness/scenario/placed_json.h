// A JSON value that came out of YAML, and where each part of it was written.
#pragma once

#include "harness/scenario/place.h"

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <memory>
#include <string>

namespace rdmalab::scenario {

using Json = nlohmann::json;

// JSON pointer ("" is the root, "/spec/ips/0", with ~0 and ~1 escapes) -> place of the key or, in a list, of the item.
using PlaceMap = std::map<std::string, Place, std::less<>>;

// Immutable; copies share the value.
class PlacedJson {
public:
    PlacedJson(); // null
    PlacedJson(Json value, PlaceMap places);
    // A value without a position.
    static PlacedJson unplaced(Json value);

    const Json& json() const noexcept { return *value_; }
    const Json& operator*() const noexcept { return *value_; }
    const Json* operator->() const noexcept { return value_.get(); }
    const PlaceMap& places() const noexcept { return *places_; }
    // Of the part itself or, when that has none, of the nearest part around it.
    Place placeOf(std::string pointer) const;
    Place place() const { return placeOf({}); }
    // The same value below one of its parts; throws nlohmann::json::out_of_range when there is none.
    PlacedJson at(const std::string& pointer) const;

private:
    std::shared_ptr<const Json> value_;
    std::shared_ptr<const PlaceMap> places_;
};

// "~" and "/" escaped as a JSON pointer wants them.
std::string pointerToken(std::string_view key);

} // namespace rdmalab::scenario
