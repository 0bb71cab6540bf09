#include "harness/scenario/placed_json.h"

#include <nlohmann/json.hpp>

namespace rdmalab::scenario {

PlacedJson::PlacedJson() : PlacedJson(Json(), PlaceMap()) {}

PlacedJson::PlacedJson(Json value, PlaceMap places)
    : value_(std::make_shared<const Json>(std::move(value))), places_(std::make_shared<const PlaceMap>(std::move(places))) {}

PlacedJson PlacedJson::unplaced(Json value) {
    return PlacedJson(std::move(value), {});
}

Place PlacedJson::placeOf(std::string pointer) const {
    while (true) {
        if (const auto it = places_->find(pointer); it != places_->end())
            return it->second;
        const auto slash = pointer.rfind('/');
        if (slash == std::string::npos)
            return {};
        pointer.erase(slash);
    }
}

PlacedJson PlacedJson::at(const std::string& pointer) const {
    const Json& part = value_->at(Json::json_pointer(pointer));
    PlaceMap places;
    for (auto it = places_->lower_bound(pointer); it != places_->end() && it->first.starts_with(pointer); ++it) {
        const std::string rest = it->first.substr(pointer.size());
        if (rest.empty() || rest[0] == '/')
            places.emplace(rest, it->second);
    }
    places.try_emplace("", placeOf(pointer));
    return PlacedJson(part, std::move(places));
}

std::string pointerToken(std::string_view key) {
    std::string token;
    for (const char c : key) {
        if (c == '~')
            token += "~0";
        else if (c == '/')
            token += "~1";
        else
            token += c;
    }
    return token;
}

} // namespace rdmalab::scenario
