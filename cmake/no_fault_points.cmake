# cmake -D PROGRAM=FILE -P no_fault_points.cmake: fails where a program that users run has fault points (common/base/fault_point.h) in it.
file(STRINGS "${PROGRAM}" found REGEX "CF_FAULTS|FaultAt|row_file\\.sync|train\\.turn")
if(found)
  message(FATAL_ERROR "${PROGRAM} has fault points: ${found}")
endif()
