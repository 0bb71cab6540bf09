#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace rdmalab::cluster {

// The outcome of a request that a tier carried out: a value, or the words of its failure.
template <typename T>
struct Result {
    std::optional<T> value;
    std::string error;

    static Result success(T v) { return {std::move(v), {}}; }
    static Result failure(std::string text) { return {std::nullopt, std::move(text)}; }
    explicit operator bool() const { return value.has_value(); }
};

struct Done {};

// Always called on the event loop, exactly once, never from within the call that took it.
template <typename T>
using Callback = std::function<void(Result<T>)>;

} // namespace rdmalab::cluster
