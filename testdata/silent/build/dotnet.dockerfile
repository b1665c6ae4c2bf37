FROM mcr.microsoft.com/dotnet/sdk:8.0.404-bookworm-slim@sha256:a65e19cbae530282bd36cb9d21f6be6abf0d7c1c1e21862ab8a18a8902073fec AS build
WORKDIR /src
COPY Shop.sln nuget.config ./
COPY src/Shop.Api/Shop.Api.csproj src/Shop.Api/
RUN dotnet restore src/Shop.Api --locked-mode
COPY src src
RUN dotnet publish src/Shop.Api -c Release --no-restore -o /publish

FROM mcr.microsoft.com/dotnet/aspnet:8.0.11-bookworm-slim@sha256:8df4f50947aaeb26c57d21fa5d328263dfe574de739988b886e7577496a2c877
WORKDIR /app
COPY --from=build /publish .
ENV ASPNETCORE_HTTP_PORTS=8080 \
    DOTNET_EnableDiagnostics=0
USER 1654
EXPOSE 8080
ENTRYPOINT ["dotnet", "Shop.Api.dll"]
