#pragma once

#include "harness/scenario/shape.h"

namespace rdmalab::scenario {

// The whole scenario language: every key, its type and what it is for.
const Shape& scenarioShape();

} // namespace rdmalab::scenario
