#  install.cmake - the part of `cmake --install` that knows the prefix only then: the units, and the
#  configuration, which stays as it is where somebody has changed it. Set before: source, build,
#  bindir, sysconfdir.

function (whole name path)
    if (path STREQUAL "etc" AND CMAKE_INSTALL_PREFIX STREQUAL "/usr")
        set (path /etc)
    endif ()
    get_filename_component (path "${path}" ABSOLUTE BASE_DIR "${CMAKE_INSTALL_PREFIX}")
    set (${name} "${path}" PARENT_SCOPE)
endfunction ()

whole (BINDIR "${bindir}")
whole (SYSCONFDIR "${sysconfdir}")
foreach (unit berthd berth-places)
    configure_file ("${source}/tools/${unit}.service.in" "${build}/manual/${unit}.service" @ONLY)
    file (INSTALL "${build}/manual/${unit}.service" DESTINATION "${CMAKE_INSTALL_PREFIX}/lib/systemd/system")
endforeach ()

set (mine "$ENV{DESTDIR}${SYSCONFDIR}/berth/berthd.conf")
if (EXISTS "${mine}")
    file (SHA256 "${mine}" there)
    file (SHA256 "${build}/manual/berthd.conf" new)
endif ()
if (EXISTS "${mine}" AND NOT there STREQUAL new)
    message (STATUS "Kept: ${mine}")
else ()
    file (INSTALL "${build}/manual/berthd.conf" DESTINATION "${SYSCONFDIR}/berth")
endif ()
